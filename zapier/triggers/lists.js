'use strict';

const { api } = require('../lib/http');

/** Hidden: the dropdown of lists. */
module.exports = {
  key: 'lists',
  noun: 'List',
  display: { label: 'New List', description: 'Triggers when a list is made.', hidden: true },
  operation: {
    perform: async (z, bundle) =>
      (await z.request({ url: api(bundle, '/lists'), params: { limit: 1000 } })).data.items.map((one) => ({
        id: one.id,
        name: one.name,
      })),
    sample: { id: 'lst_1', name: 'Pilot customers' },
    outputFields: [{ key: 'id', label: 'List Id', type: 'string' }],
  },
};
