#include "workflow/runtime/options.hpp"

#include <weft/detail/option.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// Longer than this nobody can be taken for dead who is not, and whoever is waits for it.
constexpr std::chrono::milliseconds longest_expiry = std::chrono::hours(24);

constexpr std::size_t most_per_second = 1'000'000;

// What any database takes for a limit.
constexpr std::size_t most_rows = std::size_t(1) << 40;

}  // namespace

void check(retry_policy const& p, std::string const& name)
{
    check_option(name + ".initial", p.initial, 1);
    check_option(name + ".factor", p.factor, 1.0, 1'000.0);
    check_option(name + ".cap", p.cap, 1);
    check_option(name + ".max_elapsed", p.max_elapsed, 0);
    check_option(name + ".jitter", p.jitter, 0.0, 1.0);
}

engine_options checked(engine_options o)
{
    check_option("engine_options::trouble_after", o.trouble_after, 1);
    check_option("engine_options::beat", o.beat, 1, longest_expiry);
    check_option("engine_options::expiry", o.expiry, 1, longest_expiry);
    if (o.expiry <= o.beat)
        refuse_option("engine_options::expiry", std::to_string(o.expiry.count()) + " ms",
                      "longer than beat, which is " + std::to_string(o.beat.count()) + " ms");
    check_option("engine_options::poll", o.poll, 1);
    check_option("engine_options::sweep", o.sweep, 1);
    check_option("engine_options::operation_timeout", o.operation_timeout, 0);
    check(o.retry, "engine_options::retry");
    check_option("engine_options::leave_misfits", o.leave_misfits, 0);
    check_option("engine_options::attempt_limit", o.attempt_limit, 1);
    check_option("engine_options::claim_batch", o.claim_batch, 1);
    check_option("engine_options::max_in_flight", o.max_in_flight, 1);
    check_option("engine_options::batch_limit", o.batch_limit, 1);
    check_option("engine_options::queue_limit", o.queue_limit, 1);
    check_option("engine_options::queue_bytes", o.queue_bytes, 1);
    check_option("engine_options::payload_limit", o.payload_limit, 1);
    check_option("engine_options::seal_at", o.seal_at, 1);
    for (auto* t : {&o.poll, &o.sweep, &o.operation_timeout, &o.leave_misfits, &o.retry.initial, &o.retry.cap})
        *t = bounded_as(*t);
    for (auto* n : {&o.claim_batch, &o.max_in_flight})
        *n = std::min(*n, most_rows);
    return o;
}

void check(operation_limit const& limit, std::string const& name)
{
    check_option(name + ".per_second", limit.per_second, 0, most_per_second);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
