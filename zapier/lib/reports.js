'use strict';

const { api } = require('./http');

const ROWS = 1000; // rows with data in one poll; older members are told by their id alone

/** The field with which a report is chosen, of one kind. */
const reportField = (kind) => ({
  key: 'report',
  label: 'Report',
  type: 'string',
  required: true,
  dynamic: `${kind}_reports.id.name`,
  helpText: 'Who is on it when the Zap is turned on starts nothing.',
});

/** The report's columns, as fields that later steps can use. */
const columns = async (z, bundle) => {
  if (!bundle.inputData.report) {
    return [];
  }
  const path = `/reports/${encodeURIComponent(bundle.inputData.report)}/fields`;
  return (await z.request({ url: api(bundle, path) })).data;
};

/**
 * Everybody on the report, the latest entry first. Zapier compares the ids with those it has seen, so all of them are
 * given each time; the data only of the latest.
 */
const members = async (z, bundle) => {
  const url = api(bundle, `/reports/${encodeURIComponent(bundle.inputData.report)}/members`);
  const meta = bundle.meta || {};
  if (meta.isLoadingSample) {
    return (await z.request({ url, params: { limit: 3 } })).data.items;
  }
  const all = (await z.request({ url, params: { fields: 'id', limit: 200000 } })).data.items;
  if (meta.isPopulatingDedupe) {
    return all;
  }
  const latest = (await z.request({ url, params: { limit: ROWS } })).data.items;
  const told = new Set(latest.map((one) => one.id));
  return latest.concat(all.filter((one) => !told.has(one.id)));
};

module.exports = { reportField, columns, members };
