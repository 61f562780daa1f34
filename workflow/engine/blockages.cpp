#include "workflow/engine/blockages.hpp"

#include "workflow/engine/watchdog.hpp"

#include <weft/errors.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t        notes_at_once = 1'000;
constexpr std::chrono::hours notes_are_old_after{24};

}  // namespace

blockages::blockages(engine_context& e) : context_(e)
{
    if (e.options().store_executor)
        return;
    auto const warn = [&e](blockage const& b) {
        if (auto* l = e.log())
            l->warn("gid={} branch={}: user code has been blocking the engine's strand for a second; every "
                    "workflow of "
                    "this engine waits, and it sends no heartbeats",
                    b.gid, b.branch_id);
    };
    watchdog_ = std::make_unique<watchdog>(
        e.options().expiry, [this](blockage const& b) { note(b); }, warn);
}

blockages::~blockages() = default;

void blockages::registers_as(std::string const& engine)
{
    engine_ = engine;
    if (watchdog_)
        watchdog_->registered(engine);
}

void blockages::enter(std::string const& gid, std::string const& branch_id, std::int64_t position)
{
    if (watchdog_)
        watchdog_->enter(gid, branch_id, position, blocked_before(gid, position));
}

bool blockages::was_noted() noexcept { return watchdog_->leave(); }

// On the watchdog's thread: the strand is blocked.
void blockages::note(blockage const& b)
{
    context_.on_store(lane::upkeep, [this, b] {
        try
        {
            context_.store().remove_kv(blockage_category, b.gid);
            context_.store().put_kv(blockage_category, b.gid, to_text(b), 0);
        }
        catch (misuse const&)
        { }
        catch (std::exception const& e)
        {
            if (auto* l = context_.log())
                l->error("gid={}: that it blocks this engine cannot be noted: {}", b.gid, e.what());
        }
    });
}

void blockages::forget(std::string const& gid)
{
    known_.erase(gid);
    context_.on_store(lane::upkeep, [this, gid] {
        try
        {
            context_.store().remove_kv(blockage_category, gid);
        }
        catch (std::exception const&)
        {
            // It grows old.
        }
    });
}

std::vector<kv_row> blockages::in_store()
{
    if (!watchdog_)
        return {};
    try
    {
        return context_.store().kv(blockage_category, {}, 0, notes_at_once);
    }
    catch (misuse const&)
    {
        return {};  // a coordinator's: it takes no notes, and tells nobody of its own
    }
}

void blockages::read(std::vector<kv_row> const& rows)
{
    known_.clear();
    for (auto const& row : rows)
        if (context_.time().now() - row.updated > notes_are_old_after)
            forget(row.key);
        else if (auto b = blockage_from(row))
            known_.emplace(row.key, std::move(*b));
}

void blockages::look()
{
    if (!watchdog_)
        return;
    context_.on_store(
        lane::reads, [this] { return in_store(); },
        [this](std::exception_ptr error, std::vector<kv_row> const& rows) {
            if (!error)
                read(rows);
        });
}

std::uint32_t blockages::blocked_before(std::string const& gid, std::int64_t position) const
{
    if (known_.empty())
        return 0;
    auto const found = known_.find(gid);
    if (found == known_.end() || found->second.position != position || found->second.engine == engine_)
        return 0;
    return found->second.engines;
}

std::string blockages::why_quarantined(transaction const& row) const
{
    if (blocked_before(row.gid, row.position) < engines_to_lose)
        return {};
    return quarantine_reason(known_.at(row.gid));
}

void blockages::stop()
{
    if (watchdog_)
        watchdog_->stop();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
