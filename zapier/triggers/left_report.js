'use strict';

const { columns, departures, reportField } = require('../lib/reports');
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
    inputFields: [
      { ...reportField('visitor'), helpText: 'Each time a visitor leaves it counts, after the Zap was turned on.' },
    ],
    perform: departures,
    sample: samples.departure,
    outputFields: [
      { key: 'id', label: 'Id', type: 'string' },
      { key: 'left_at', label: 'Left At', type: 'datetime' },
      { key: 'entry', label: 'Entry Number', type: 'integer' },
      { key: 'member', label: 'Visitor Id', type: 'string' },
      columns,
    ],
  },
};
