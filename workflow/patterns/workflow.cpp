// workflow: of an engine elsewhere, in whatever language. It runs there, registers here what it has done, and says how it ended. As long as it
// has not, it is called back.
#include "workflow/patterns/pattern.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

next_step next_of_workflow(transaction const&, pattern_settings const&, std::chrono::system_clock::time_point, std::string const&)
{
    next_step next;
    next.ask = true;
    return next;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
