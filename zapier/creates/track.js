'use strict';

const { api } = require('../lib/http');

module.exports = {
  key: 'track_event',
  noun: 'Event',
  display: { label: 'Track Event', description: 'Keeps an event that a visitor did.' },
  operation: {
    inputFields: [
      { key: 'visitor_id', label: 'Visitor Id', type: 'string', required: true },
      { key: 'event', label: 'Event', type: 'string', required: true, helpText: 'Its name, such as `invoice paid`.' },
      { key: 'account_id', label: 'Account Id', type: 'string' },
      { key: 'properties', label: 'Properties', dict: true },
      { key: 'source', label: 'Source Id', type: 'string', helpText: 'Needed where Arrivals has several sources.' },
    ],
    perform: async (z, bundle) => {
      const { properties, ...rest } = bundle.inputData;
      const body = { ...rest, properties: properties || {} };
      const { data } = await z.request({ method: 'POST', url: api(bundle, '/events'), body });
      return { id: data.message_id, ...data };
    },
    sample: { id: '3c5b7e1f', message_id: '3c5b7e1f', repeated: false },
    outputFields: [{ key: 'id', label: 'Message Id', type: 'string' }],
  },
};
