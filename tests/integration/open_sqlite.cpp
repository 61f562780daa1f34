#include "tests/integration/open_sqlite.hpp"

#include <soci/sqlite3/soci-sqlite3.h>

soci::session& open_sqlite(soci::session& session, std::string const& file)
{
    session.open(soci::sqlite3, file);
    return session;
}
