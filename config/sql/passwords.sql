-- Gives the roles their passwords, and the database that psql is connected to its owner. After roles.sql, by psql 14 or newer: the passwords
-- come from the environment, so no list of processes and no file shows them. May be run again: that is how passwords change.

\getenv owner_password PURSER_OWNER_PASSWORD
\getenv app_password PURSER_APP_PASSWORD
\getenv reader_password PURSER_READER_PASSWORD

ALTER ROLE purser_owner PASSWORD :'owner_password';
ALTER ROLE purser_app PASSWORD :'app_password';
ALTER ROLE purser_reader PASSWORD :'reader_password';
ALTER DATABASE :"DBNAME" OWNER TO purser_owner;
