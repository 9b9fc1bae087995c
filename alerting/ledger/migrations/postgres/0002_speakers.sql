-- least: 1
-- Who is sending on which channel at this moment: the provider's rate is divided among them. By this
-- server's clock, microseconds since 1970 UTC.

CREATE TABLE speaker (
    channel text COLLATE "C" NOT NULL,
    owner   text COLLATE "C" NOT NULL,
    since   bigint NOT NULL,
    until   bigint NOT NULL,
    PRIMARY KEY (channel, owner)
) WITH (fillfactor = 50);
