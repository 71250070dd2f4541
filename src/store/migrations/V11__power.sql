-- Whose power somebody's power is: who made an account and gave its roles. And what a review was about.

-- JSON: `account`, and `roles` by name, each with `by` ('host', 'self' or the id of a user) and `at`;
-- what is older than `before` and not named is nobody's that is known.
ALTER TABLE users ADD COLUMN origin TEXT NOT NULL DEFAULT '{}';
UPDATE users SET origin = '{"before":' || updated_at || '}';
-- Those whom the host made, by its settings or its token, as the audit tells, and nobody since.
UPDATE users
SET origin = '{"before":' || updated_at || ',"account":{"by":"host","at":' || created_at
             || '},"roles":{"policy_admin":{"by":"host","at":' || created_at || '}}}'
WHERE EXISTS (
        SELECT 1 FROM audit
        WHERE (audit.event = 'system.seed_admin'
               OR (audit.event = 'user.create' AND audit.outcome = 'success'
                   AND audit.actor_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
          AND audit.body LIKE '%"user":"' || users.id || '"%')
  AND NOT EXISTS (
        SELECT 1 FROM audit
        WHERE audit.event IN ('role.grant', 'role.revoke') AND audit.outcome = 'success'
          AND audit.target_id = users.id);

-- The digest of the bundle that its subject was compared with, and the decision that let it be given;
-- empty for those that were given before this was kept.
ALTER TABLE bundle_reviews ADD COLUMN against TEXT NOT NULL DEFAULT '';
ALTER TABLE bundle_reviews ADD COLUMN decision_id TEXT NOT NULL DEFAULT '';
