// expect: use the two in different source files
#include <weft/sql.hpp>

#if defined(RIGHT)
#include <weft/barrier_sqlite3.hpp>
#else
#include <soci/sqlite3/soci-sqlite3.h>
// In this order: the header refuses what was included before it.
#include <weft/barrier_sqlite3.hpp>
#endif
