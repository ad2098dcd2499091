'use strict';

const { api } = require('../lib/http');

/** Hidden: the dropdown of reports of one kind. */
const dropdown = (kind) => ({
  key: `${kind}_reports`,
  noun: 'Report',
  display: {
    label: `New ${kind === 'visitor' ? 'Visitor' : 'Account'} Report`,
    description: 'Triggers when a report is made.',
    hidden: true,
  },
  operation: {
    perform: async (z, bundle) => {
      const found = [];
      let cursor = '';
      do {
        const page = (await z.request({ url: api(bundle, '/reports'), params: { limit: 1000, cursor } })).data;
        found.push(...page.items.filter((one) => one.kind === kind).map((one) => ({ id: one.id, name: one.name })));
        cursor = page.next;
      } while (cursor);
      return found;
    },
    sample: { id: 'rep_1', name: 'Buyers' },
    outputFields: [
      { key: 'id', label: 'Report Id', type: 'string' },
      { key: 'name', label: 'Name', type: 'string' },
    ],
  },
});

module.exports = { visitor: dropdown('visitor'), account: dropdown('account') };
