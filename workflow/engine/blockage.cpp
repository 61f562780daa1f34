#include "workflow/engine/blockage.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <exception>

namespace weft {
inline namespace v0 {
namespace detail {

std::string to_text(blockage const& b)
{
    return boost::json::serialize(boost::json::value{
        {"engine", b.engine}, {"branch", b.branch_id}, {"position", b.position}, {"engines", b.engines}});
}

std::optional<blockage> blockage_from(kv_row const& row)
{
    try
    {
        auto const v = boost::json::parse(row.value);
        blockage   b;
        b.gid = row.key;
        b.engine = v.at("engine").as_string();
        b.branch_id = v.at("branch").as_string();
        b.position = v.at("position").to_number<std::int64_t>();
        b.engines = v.at("engines").to_number<std::uint32_t>();
        return b;
    }
    catch (std::exception const&)
    {
        return std::nullopt;
    }
}

std::string quarantine_reason(blockage const& b)
{
    return (b.branch_id.empty() ? std::string("the body, before its first branch")
                                : "branch " + b.branch_id + ", or the body after it") +
           ", did not return: it blocked the threads of " + std::to_string(b.engines) +
           " engines, which were taken for dead. Bodies and plain operations run on their engine's thread; "
           "what blocks belongs on threads "
           "of "
           "its own, in an awaitable operation";
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
