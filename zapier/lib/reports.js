'use strict';

const { api } = require('./http');

const REMEMBERED = 105000; // ids that Zapier remembers of one Zap

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

/** Whether somebody who returns counts again; then the id tells which time it is. */
const returnsField = {
  key: 'returns',
  label: 'Start Again for Those Who Return',
  type: 'boolean',
  default: 'false',
  helpText: 'Whether it starts again for somebody who left the report and came back.',
};

const returns = (bundle) => [true, 'true'].includes((bundle.inputData || {}).returns);

/**
 * A list of a report, the latest first, as a trigger wants it. Zapier compares the ids with those it has seen: turning on
 * it is given all ids and nothing else, at a test three items, at each poll everybody, with the data of whoever is new.
 */
const listed = async (z, bundle, list, params) => {
  const url = api(bundle, `/reports/${encodeURIComponent(bundle.inputData.report)}/${list}`);
  const meta = bundle.meta || {};
  if (meta.isLoadingSample) {
    return (await z.request({ url, params: { ...params, limit: 3 } })).data.items;
  }
  const fields = meta.isPopulatingDedupe ? 'id' : 'all';
  const page = (await z.request({ url, params: { ...params, fields, limit: REMEMBERED } })).data;
  // Of what has happened the older part may be left out; somebody who is on the report and was left out would start the
  // Zap by mistake once others have gone.
  if (page.next && list === 'members') {
    throw new z.errors.Error(
      'The report has more than 105,000 entries, which is all that Zapier can remember. Use the instant trigger, or a narrower report.',
      'TooMany'
    );
  }
  return page.items;
};

/** Everybody on the report. */
const members = (z, bundle) => listed(z, bundle, 'members', { returns: returns(bundle) });

/** Whoever has left it. */
const departures = (z, bundle) => listed(z, bundle, 'departures', {});

module.exports = { reportField, returnsField, returns, columns, members, departures };
