// The SOCI session that a caller lends.
#pragma once

#include <weft/errors.hpp>

#include <soci/soci.h>

#include <algorithm>
#include <any>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

// `connection` holds a `soci::session*` of this backend ("sqlite3", "postgresql", "mysql"). Throws misuse otherwise.
inline soci::session& caller_session(std::any const& connection, char const* backend, std::string const& store)
{
    auto* const* session = std::any_cast<soci::session*>(&connection);
    if (!session || !*session || !(*session)->is_connected() || (*session)->get_backend_name() != backend)
        throw misuse(misuse::code::wrong_call, "submit within a local transaction needs a soci::session that is open on " + store);
    return **session;
}

inline misuse leads_elsewhere(std::string const& store, std::string const& gid)
{
    return misuse(misuse::code::wrong_call, "the session given to submit does not lead to the database of the store, " + store, gid);
}

// A store's id as its XA transactions carry it.
inline std::string without_dashes(std::string uuid)
{
    std::erase(uuid, '-');
    return uuid;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
