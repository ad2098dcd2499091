'use strict';

const { api } = require('../lib/http');

module.exports = {
  key: 'find_visitor',
  noun: 'Visitor',
  display: { label: 'Find Visitor', description: 'Finds a visitor by id, or by a field such as the e-mail address.' },
  operation: {
    inputFields: [
      { key: 'id', label: 'Visitor Id', type: 'string', helpText: 'Leave it empty to search by a field.' },
      {
        key: 'field',
        label: 'Field',
        type: 'string',
        default: 'agent.email',
        helpText: 'Group and name, such as `agent.email`. Used where no id is given.',
      },
      { key: 'value', label: 'Value', type: 'string', helpText: 'What the field must be, in exact letters.' },
    ],
    perform: async (z, bundle) => {
      const { id, field, value } = bundle.inputData;
      const params = id ? { id } : { field: field || 'agent.email', value: value || '' };
      return (await z.request({ url: api(bundle, '/visitors'), params })).data.items;
    },
    sample: { id: 'ada', metadata: { auto: { id: 'ada' }, agent: { email: 'ada@example.com' } } },
    outputFields: [{ key: 'id', label: 'Visitor Id', type: 'string' }],
  },
};
