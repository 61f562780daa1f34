#include "workflow/engine/polls.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// Looking for work may take a tenth of the time, but there is a look after so long at the latest.
constexpr int                       cost_factor = 10;
constexpr std::chrono::milliseconds longest_between_polls{10'000};

}  // namespace

void polls::poll()
{
    look([this] { return context_.store().version(); },
         [this](std::exception_ptr error, std::uint64_t version) {
             if (!error && (version != seen_version_ || look_again_))
             {
                 seen_version_ = version;
                 look_again_ = false;
                 host_.store_has_changed();
             }
         });
    host_.polled();
}

// Where looking has become dear (somebody holds an old snapshot, very many wait) it is done less often.
void polls::poll_again()
{
    auto const dear =
        std::min<std::chrono::nanoseconds>(cost_factor * std::exchange(cost_, {}), longest_between_polls);
    context_.timers().set(timer_, std::max<std::chrono::nanoseconds>(context_.options().poll, dear));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
