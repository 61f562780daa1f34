#include "src/xa/xid.hpp"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>

#include <charconv>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t longest = 64;

}  // namespace

std::string digest_of(std::string_view text)
{
    // A name-based UUID (RFC 4122, version 5) is as good a digest as any, and Boost has it.
    boost::uuids::name_generator_sha1 const make(boost::uuids::ns::oid());
    auto const                              uuid = make(text.data(), text.size());
    std::string                             digest = "#";
    for (auto const byte : uuid)
    {
        constexpr char digits[] = "0123456789abcdef";
        (digest += digits[byte >> 4]) += digits[byte & 15];
    }
    return digest;
}

std::string gtrid_of(std::string const& store_id, std::string_view database)
{
    return "weft:" + store_id + ':' + digest_of(database).substr(1, 8);
}

xid xid_of(std::string const& gtrid, branch const& where, unsigned send)
{
    auto const tail = '/' + where.id + '/' + std::to_string(send);
    bool const fits = where.gid.size() + tail.size() <= longest && !where.gid.starts_with('#');
    return {gtrid, (fits ? where.gid : digest_of(where.gid)) + tail};
}

bool is_digested(xid const& x) { return x.bqual.starts_with('#'); }

std::optional<prepared_branch> parse_xid(xid const& x, std::string const& gtrid)
{
    if (x.gtrid != gtrid)
        return std::nullopt;
    std::string_view const bqual = x.bqual;
    auto const             before_send = bqual.rfind('/');
    auto const before_branch = before_send == std::string_view::npos || before_send == 0 ? before_send : bqual.rfind('/', before_send - 1);
    if (before_send == std::string_view::npos || before_branch == std::string_view::npos)
        return std::nullopt;
    prepared_branch b;
    auto const      number = bqual.substr(before_send + 1);
    if (auto const r = std::from_chars(number.data(), number.data() + number.size(), b.send);
        r.ec != std::errc() || r.ptr != number.data() + number.size())
        return std::nullopt;
    b.gid = bqual.substr(0, before_branch);
    b.branch_id = bqual.substr(before_branch + 1, before_send - before_branch - 1);
    b.xid = x.text();
    return b;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
