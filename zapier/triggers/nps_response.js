'use strict';

const { api } = require('../lib/http');
const samples = require('../lib/samples');

module.exports = {
  key: 'nps_response',
  noun: 'Response',
  display: {
    label: 'NPS Response',
    description: 'Triggers when a visitor answers a survey; each answer counts, a second one of a visitor too.',
  },
  operation: {
    type: 'polling',
    inputFields: [
      {
        key: 'survey',
        label: 'Survey',
        type: 'string',
        required: true,
        default: 'nps',
        helpText: 'The name of the survey, such as `nps`.',
      },
    ],
    perform: async (z, bundle) => {
      const limit = (bundle.meta || {}).isLoadingSample ? 3 : 1000;
      const params = { survey: bundle.inputData.survey || 'nps', limit };
      return (await z.request({ url: api(bundle, '/responses'), params })).data.items;
    },
    sample: samples.response,
    outputFields: [
      { key: 'id', label: 'Response Id', type: 'string' },
      { key: 'survey', label: 'Survey', type: 'string' },
      { key: 'score', label: 'Score', type: 'number' },
      { key: 'reason', label: 'Reason', type: 'string' },
      { key: 'class', label: 'Class', type: 'string' },
      { key: 'visitor_id', label: 'Visitor Id', type: 'string' },
      { key: 'account_id', label: 'Account Id', type: 'string' },
      { key: 'at', label: 'Answered At', type: 'datetime' },
    ],
  },
};
