// What an engine does about user code that blocks: of its own, and of those that have been blocked before it.
#include "workflow/engine_core.hpp"
#include "workflow/watchdog.hpp"

#include <weft/errors.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t        notes_at_once = 1'000;
constexpr std::chrono::hours notes_are_old_after{24};

}  // namespace

engine_core::user_code::user_code(engine_core& e, std::string const& gid, std::string const& branch_id, std::int64_t position)
    : engine_(e)
    , gid_(gid)
{
    if (e.watchdog_)
        e.watchdog_->enter(gid, branch_id, position, e.blocked_before(gid, position));
}

engine_core::user_code::~user_code()
{
    if (engine_.watchdog_ && engine_.watchdog_->leave() && engine_.may_act())
        engine_.forget_blockage(gid_);  // it was in time
}

// On the watchdog's thread: the strand is blocked.
void engine_core::note_blockage(blockage const& b)
{
    on_store(lane::upkeep, [this, b] {
        try
        {
            store_.remove_kv(blockage_category, b.gid);
            store_.put_kv(blockage_category, b.gid, to_text(b), 0);
        }
        catch (misuse const&)
        { }
        catch (std::exception const& e)
        {
            if (auto* l = log())
                l->error("gid={}: that it blocks this engine cannot be noted: {}", b.gid, e.what());
        }
    });
}

void engine_core::forget_blockage(std::string const& gid)
{
    blockages_.erase(gid);
    on_store(lane::upkeep, [this, gid] {
        try
        {
            store_.remove_kv(blockage_category, gid);
        }
        catch (std::exception const&)
        {
            // It grows old.
        }
    });
}

std::vector<kv_row> engine_core::blockages_in_store()
{
    if (!watchdog_)
        return {};
    try
    {
        return store_.kv(blockage_category, {}, 0, notes_at_once);
    }
    catch (misuse const&)
    {
        return {};  // a coordinator's: it takes no notes, and tells nobody of its own
    }
}

void engine_core::read_blockages(std::vector<kv_row> const& rows)
{
    blockages_.clear();
    for (auto const& row : rows)
        if (time().now() - row.updated > notes_are_old_after)
            forget_blockage(row.key);
        else if (auto b = blockage_from(row))
            blockages_.emplace(row.key, std::move(*b));
}

// Once a beat: a note is there long before its engine is taken for dead.
void engine_core::look_for_blockages()
{
    if (!watchdog_)
        return;
    on_store(
        lane::reads, [this] { return blockages_in_store(); },
        [this](std::exception_ptr error, std::vector<kv_row> const& rows) {
            if (!error)
                read_blockages(rows);
        });
}

std::uint32_t engine_core::blocked_before(std::string const& gid, std::int64_t position) const
{
    if (blockages_.empty())
        return 0;
    auto const found = blockages_.find(gid);
    if (found == blockages_.end() || found->second.position != position || found->second.engine == incarnation_)
        return 0;
    return found->second.engines;
}

std::string engine_core::why_quarantined(transaction const& row) const
{
    return blocked_before(row.gid, row.position) < engines_to_lose ? std::string() : quarantine_reason(blockages_.at(row.gid));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
