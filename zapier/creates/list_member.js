'use strict';

const { api } = require('../lib/http');

module.exports = {
  key: 'add_to_list',
  noun: 'List Member',
  display: { label: 'Add to List Segment', description: 'Adds a visitor to a list that a segment uses.' },
  operation: {
    inputFields: [
      { key: 'list', label: 'List', type: 'string', required: true, dynamic: 'lists.id.name' },
      { key: 'visitor_id', label: 'Visitor Id', type: 'string', required: true },
    ],
    perform: async (z, bundle) => {
      const list = encodeURIComponent(bundle.inputData.list);
      const body = { ids: [bundle.inputData.visitor_id] };
      return (await z.request({ method: 'POST', url: api(bundle, `/lists/${list}/members`), body })).data;
    },
    sample: { id: 'lst_1', name: 'Pilot customers', size: 12 },
    outputFields: [{ key: 'id', label: 'List Id', type: 'string' }],
  },
};
