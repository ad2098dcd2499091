'use strict';

const { hook } = require('../lib/hook');
const { columns, members, reportField, returns, returnsField } = require('../lib/reports');
const samples = require('../lib/samples');

const fields = [
  { key: 'id', label: 'Id', type: 'string' },
  { key: 'entered_at', label: 'Entered At', type: 'datetime' },
  { key: 'entry', label: 'Entry Number', type: 'integer' },
];
const memberField = (label) => ({ key: 'member', label: `${label} Id`, type: 'string' });

const polled = (kind, label) => ({
  key: `${kind}_in_report`,
  noun: label,
  display: {
    label: `${label} in Report`,
    description: `Triggers when ${kind === 'account' ? 'an account' : 'a visitor'} is newly on a report of Arrivals.`,
  },
  operation: {
    type: 'polling',
    inputFields: [reportField(kind), returnsField],
    perform: members,
    sample: samples[kind],
    outputFields: [...fields, memberField(label), columns],
  },
});

const instant = (kind, label) => ({
  key: `${kind}_in_report_instant`,
  noun: label,
  display: {
    label: `${label} in Report (Instant)`,
    description: `Triggers when Arrivals sees ${kind === 'account' ? 'an account' : 'a visitor'} newly on a report, at once.`,
  },
  operation: {
    ...hook(`${kind}_in_report`, (bundle) => ({
      report: bundle.inputData.report,
      reentry: returns(bundle) ? 'each_return' : 'never',
    })),
    inputFields: [reportField(kind), returnsField],
    performList: async (z, bundle) => {
      const found = await members(z, { ...bundle, meta: { ...bundle.meta, isLoadingSample: true } });
      return found.map((one) => samples.delivery(`${kind}_in_report`, bundle.inputData.report, one));
    },
    sample: samples.delivery(`${kind}_in_report`, 'rep_1', samples[kind]),
    outputFields: [...fields, memberField(label), columns],
  },
});

module.exports = {
  visitor: polled('visitor', 'Visitor'),
  account: polled('account', 'Account'),
  visitorInstant: instant('visitor', 'Visitor'),
  accountInstant: instant('account', 'Account'),
};
