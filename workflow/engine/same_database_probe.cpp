#include "workflow/engine/same_database_probe.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::seconds ask_again_after{5};

}  // namespace

std::optional<bool> same_database_probe::ask(participant_database& db, attempt& a)
{
    auto const now = [this] { return context_.time().since_boot(); };
    if (auto const known = known_.find(&db);
        known != known_.end() && (!known->second.ask_again || now() < *known->second.ask_again))
        return known->second.same;
    auto& asking = asking_[&db];
    asking.emplace_back(&a);
    if (asking.size() > 1)
        return std::nullopt;
    auto const nonce = random_token(context_.random()) + random_token(context_.random());
    context_.call(
        context_.threads().at_participant(&db), [this, &db, nonce] { return leads_to_store(db, nonce); },
        [this, &db](std::exception_ptr error, bool same) { answered(db, error, same); });
    return std::nullopt;
}

// Where blocking is allowed.
bool same_database_probe::leads_to_store(participant_database& db, std::string const& nonce)
{
    auto& store = context_.store();
    if (!store.mark(nonce, true))
        return false;
    auto const unmark = [&] {
        try
        {
            store.mark(nonce, false);
        }
        catch (store_error const&)
        {
            // A row is left that nobody will ever look for.
        }
    };
    try
    {
        bool const holds = db.holds(nonce);
        unmark();
        return holds;
    }
    catch (...)
    {
        unmark();
        throw;
    }
}

void same_database_probe::answered(participant_database& db, std::exception_ptr error, bool same)
{
    auto& known = known_[&db];
    known = {.same = !error && same};
    if (error)
    {
        // As if it were another one, which is always right, but not for ever.
        known.ask_again = context_.time().since_boot() + ask_again_after;
        if (auto* l = context_.log())
            l->warn("whether a participant's database is the store's own cannot be told yet: {}",
                    what_of(error));
    }
    for (auto& waits : std::exchange(asking_[&db], {}))
        waits->go_on();
    asking_.erase(&db);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
