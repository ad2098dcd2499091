'use strict';

const { api } = require('../lib/http');

module.exports = {
  key: 'update_visitor',
  noun: 'Visitor',
  display: { label: 'Update Visitor Metadata', description: 'Sets fields of a visitor in the group custom.' },
  operation: {
    inputFields: [
      { key: 'visitor_id', label: 'Visitor Id', type: 'string', required: true },
      { key: 'values', label: 'Fields', dict: true, required: true, helpText: 'Names and values.' },
      { key: 'create', label: 'Make an Unknown Visitor', type: 'boolean', default: 'false' },
    ],
    perform: async (z, bundle) => {
      const { visitor_id, values, create } = bundle.inputData;
      const body = { visitor_id, values: values || {}, create: create === true || create === 'true' };
      const { data } = await z.request({ method: 'POST', url: api(bundle, '/visitors/metadata'), body });
      return { id: data.visitor_id, ...data };
    },
    sample: { id: 'ada', visitor_id: 'ada', updated: 1 },
    outputFields: [{ key: 'id', label: 'Visitor Id', type: 'string' }],
  },
};
