-- What people wrote of a bundle, whatever the release and the registry add to it.

-- SHA-256 over its files without the root tier and without what was generated for it; null until the
-- first start of a release that knows it.
ALTER TABLE bundles ADD COLUMN written TEXT;
CREATE INDEX bundles_written ON bundles (written);
