-- What waits to follow an alert is an act on its incident. The column that was meant for it never held anything.

ALTER TABLE alert DROP COLUMN pending;
