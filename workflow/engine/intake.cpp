#include "workflow/engine/intake.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

void check_name(std::string const& name)
{
    if (name.empty() || name.size() > gid_limit || !is_text(name))
        throw misuse(misuse::code::wrong_call, "a workflow's name has 1 to 128 bytes of UTF-8, and no NUL");
}

std::optional<misuse> refusal_of_gid(std::string const& gid)
{
    // what() and gid() of an exception are text.
    auto const size = gid.size();
    if (gid.empty())
        return misuse(misuse::code::bad_gid, "a gid cannot be empty");
    if (size > gid_limit)
        return misuse(misuse::code::bad_gid,
                      "a gid has at most 128 bytes, this one has " + std::to_string(size));
    if (!is_text(gid))
        return misuse(misuse::code::bad_gid, "a gid has to be UTF-8, without NUL");
    return std::nullopt;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
