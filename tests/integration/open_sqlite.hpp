// Opens a SOCI session on a SQLite file. In a source file of its own, since SOCI's header for SQLite hides SQLite's names from others.
#pragma once

#include <soci/soci.h>

#include <string>

soci::session& open_sqlite(soci::session&, std::string const& file);
