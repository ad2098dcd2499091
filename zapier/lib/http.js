'use strict';

/** Puts the key on every request. */
const withKey = (request, z, bundle) => {
  if (bundle.authData.key) {
    request.headers['x-pendo-integration-key'] = bundle.authData.key;
  }
  return request;
};

/** What the server said is wrong, as one sentence. */
const sentence = (response) => {
  const data = response.data && typeof response.data === 'object' ? response.data : {};
  const text = data.detail || `Arrivals answered ${response.status}.`;
  return data.path ? `${data.path}: ${text}` : text;
};

/** Turns a refusal into the error of Zapier's that fits. 429 is turned by the platform itself, before this. */
const checked = (response, z) => {
  if (response.status === 401 || (response.status === 403 && !/only read/.test(sentence(response)))) {
    throw new z.errors.ExpiredAuthError(
      'Arrivals does not accept the integration key any more. Make a new one on its page Keys, and connect again.'
    );
  }
  if (response.status >= 400 && !(response.status === 404 && response.request.skipThrowForStatus)) {
    throw new z.errors.Error(sentence(response), (response.data || {}).code || 'Refused', response.status);
  }
  return response;
};

/** An address of the API of the connected Arrivals. */
const api = (bundle, path) => `${String(bundle.authData.url || '').replace(/\/+$/, '')}/api/v2${path}`;

module.exports = { withKey, checked, api };
