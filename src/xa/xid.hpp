// The names of XA transactions: whose they are, and for which send of which branch.
#pragma once

#include <weft/branch.hpp>
#include <weft/xa_participant.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace detail {

// MySQL takes 64 bytes of each part; PostgreSQL one text of up to 199, here "gtrid/bqual".
struct xid
{
    std::string gtrid;  // as `gtrid_of`
    std::string bqual;  // "gid/branch/send", or "#digest/branch/send" where the gid is too long

    std::string text() const { return gtrid + '/' + bqual; }
};

// Whose they are: "weft:", the store's id, and eight digits that stand for the participant's database. The id alone is not enough where a
// server has several databases: a copy of the store that nobody has noticed, whose participants are copies beside the others, would meet those
// by name. Neither holds a slash.
std::string gtrid_of(std::string const& store_id, std::string_view database);

xid xid_of(std::string const& gtrid, branch const& where, unsigned send);

// True if its bqual holds a digest instead of the gid. Who made it has left the gid in the barrier's table, under `digest_of(gid)`.
bool        is_digested(xid const&);
std::string digest_of(std::string_view text);  // "#" and 32 hexadecimal digits

// What an xid says if it is of this store and database; `gid` is the digest if it is digested.
std::optional<prepared_branch> parse_xid(xid const& x, std::string const& gtrid);

}  // namespace detail
}  // namespace v0
}  // namespace weft
