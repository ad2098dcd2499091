-- First and last of visitors as the events that are kept have them, while a night's deletion corrects them. Looked up by
-- the mutation of visitors and of account_visitors; empty at all other times. Hashes only.
CREATE TABLE kept_visitors (
    visitor UInt64,
    first DateTime64(3, 'UTC'),
    last DateTime64(3, 'UTC')
) ENGINE = Join(ANY, LEFT, visitor);

CREATE TABLE kept_account_visitors (
    account UInt64,
    visitor UInt64,
    first DateTime64(3, 'UTC'),
    last DateTime64(3, 'UTC')
) ENGINE = Join(ANY, LEFT, account, visitor);
