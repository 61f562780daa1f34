#include "src/store/sql/heartbeat.hpp"

#include <weft/detail/codec.hpp>

#include <unistd.h>

namespace weft {
inline namespace v0 {
namespace sql_store {

std::string heartbeat_of(std::span<std::string const> workflows)
{
    std::string text = R"({"pid":)" + std::to_string(::getpid()) + R"(,"workflows":[)";
    for (auto const& name : workflows)
    {
        if (&name != workflows.data())
            text += ',';
        detail::append_json_string(text, name);
    }
    return text += "]}";
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
