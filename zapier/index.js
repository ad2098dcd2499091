'use strict';

const authentication = require('./authentication');
const { checked, withKey } = require('./lib/http');
const inReport = require('./triggers/in_report');
const leftReport = require('./triggers/left_report');
const lists = require('./triggers/lists');
const npsResponse = require('./triggers/nps_response');
const reports = require('./triggers/reports');
const findVisitor = require('./searches/visitor');
const addToList = require('./creates/list_member');
const track = require('./creates/track');
const updateVisitor = require('./creates/metadata');

const byKey = (...parts) => Object.fromEntries(parts.map((part) => [part.key, part]));

module.exports = {
  version: require('./package.json').version,
  platformVersion: require('zapier-platform-core').version,
  flags: { cleanInputData: false },
  authentication,
  beforeRequest: [withKey],
  afterResponse: [checked],
  triggers: byKey(
    inReport.visitor,
    inReport.visitorInstant,
    inReport.account,
    inReport.accountInstant,
    leftReport,
    npsResponse,
    reports.visitor,
    reports.account,
    lists
  ),
  searches: byKey(findVisitor),
  creates: byKey(track, updateVisitor, addToList),
};
