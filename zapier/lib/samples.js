'use strict';

const visitor = {
  id: 'ada',
  entered_at: '2026-01-31T12:00:00.000Z',
  entry: 1,
  visitor: { id: 'ada', agent: { email: 'ada@example.com', plan: 'pro' } },
  account: { id: 'acme' },
  row: { visitor_id: 'ada', account_id: 'acme' },
};
const account = {
  id: 'acme',
  entered_at: '2026-01-31T12:00:00.000Z',
  entry: 1,
  account: { id: 'acme', agent: { size: 50 } },
  row: { account_id: 'acme' },
};
const departure = { id: 'ada:1', member: 'ada', entry: 1, at: '2026-01-31T12:00:00.000Z' };
const response = {
  id: '3c5b7e1f',
  survey: 'nps',
  score: 9,
  reason: 'It saves me an hour a day.',
  class: 'promoter',
  visitor_id: 'ada',
  account_id: 'acme',
  at: '2026-01-31T12:00:00.000Z',
};
const delivery = (event, sample) => ({ ...sample, id: `${sample.id}:in:1`, member: sample.id, event, report: 'rep_1' });

module.exports = { visitor, account, departure, response, delivery };
