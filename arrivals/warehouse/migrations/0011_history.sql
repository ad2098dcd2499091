-- Whether an event was brought in from the past (an import): such a one starts nothing. A collector of the version before
-- says nothing of it, and then it is none.
ALTER TABLE events ADD COLUMN IF NOT EXISTS history Bool DEFAULT false;
