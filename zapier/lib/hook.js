'use strict';

const { api } = require('./http');

/** The parts of an instant trigger on an event of Arrivals. ``about`` names what is watched. */
const hook = (event, about) => ({
  type: 'hook',
  performSubscribe: async (z, bundle) => {
    const body = { target_url: bundle.targetUrl, event, name: 'Zapier', ...about(bundle) };
    return (await z.request({ method: 'POST', url: api(bundle, '/hooks'), body })).data;
  },
  // A subscription that has ended meanwhile (the key was revoked, the report deleted) is not there any more: that is fine.
  performUnsubscribe: async (z, bundle) => {
    const id = encodeURIComponent((bundle.subscribeData || {}).id || 'none');
    const request = { method: 'DELETE', url: api(bundle, `/hooks/${id}`), skipThrowForStatus: true };
    return { status: (await z.request(request)).status };
  },
  perform: (z, bundle) => [bundle.cleanedRequest],
});

module.exports = { hook };
