#include "workflow/runtime/context.hpp"

#include "workflow/runtime/answer_gate.hpp"
#include "workflow/runtime/options.hpp"

#include <weft/detail/default_logger.hpp>
#include <weft/detail/machine_seed.hpp>

#include <fmt/format.h>

namespace weft {
inline namespace v0 {
namespace detail {

std::string random_token(std::mt19937_64& random) { return fmt::format("{:015x}", random() >> 4); }

std::string what_of(std::exception_ptr const& error)
{
    try
    {
        std::rethrow_exception(error);
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
    catch (...)
    {
        return "something that is no std::exception";
    }
}

engine_context::engine_context(boost::asio::any_io_executor executor, weft::store& store, engine_options options)
    : store_(store)
    , outer_(executor)
    , strand_(boost::asio::make_strand(executor))
    , options_(checked(std::move(options)))
    , lanes_(options_.store_executor, store.operations_at_once())
{
    if (!options_.clock)
        options_.clock = system_clock();
    if (!options_.logger && !options_.participants)  // nor does the test kit say anything
        options_.logger = default_logger();
    schedule_ = std::make_unique<schedule>(*options_.clock, strand_);
    random_.seed(options_.seed ? options_.seed : machine_seed());
}

engine_context::~engine_context() = default;

void engine_context::abandon() noexcept
{
    abandoned_.store(true);
    if (gate_)
        gate_->close();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
