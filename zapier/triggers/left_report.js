'use strict';

const { api } = require('../lib/http');
const { reportField } = require('../lib/reports');
const samples = require('../lib/samples');

module.exports = {
  key: 'visitor_left_report',
  noun: 'Departure',
  display: {
    label: 'Visitor Left Report',
    description: 'Triggers when a visitor is no longer on a report of Arrivals.',
  },
  operation: {
    type: 'polling',
    inputFields: [{ ...reportField('visitor'), helpText: 'Each time a visitor leaves it counts.' }],
    perform: async (z, bundle) => {
      const report = encodeURIComponent(bundle.inputData.report);
      // Being asked for its members, the report is looked at when the last look is old.
      await z.request({ url: api(bundle, `/reports/${report}/members`), params: { fields: 'id', limit: 1 } });
      const url = api(bundle, `/reports/${report}/arrivals`);
      const page = (await z.request({ url, params: { kind: 'out', limit: 1000 } })).data;
      return page.items.map((one) => ({
        id: `${one.member}:${one.entry}`,
        member: one.member,
        entry: one.entry,
        at: one.at,
      }));
    },
    sample: samples.departure,
    outputFields: [
      { key: 'id', label: 'Id', type: 'string' },
      { key: 'member', label: 'Visitor Id', type: 'string' },
      { key: 'entry', label: 'Entry Number', type: 'integer' },
      { key: 'at', label: 'Left At', type: 'datetime' },
    ],
  },
};
