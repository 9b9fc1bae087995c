-- least: 1
-- What waits to follow an alert is an act on its incident. The column that was meant for it is not written any
-- more; versions that still write it work beside this one, so it goes two versions later.

ALTER TABLE alert ALTER COLUMN pending SET DEFAULT '{}';
