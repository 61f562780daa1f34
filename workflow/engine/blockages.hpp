// What an engine does about user code that blocks: of its own, which a watchdog sees and notes in the store,
// and of other engines, whose notes it reads. A transaction that has cost engines their lives is not
// attempted for ever.
#pragma once

#include "workflow/engine/blockage.hpp"
#include "workflow/runtime/context.hpp"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class watchdog;

class blockages
{
public:
    explicit blockages(engine_context& e);
    ~blockages();

    // The name under which this engine is registered from now on.
    void registers_as(std::string const& engine);

    // User code begins on the strand, and returns. `is_alive()`: whether this engine may still act.
    void enter(std::string const& gid, std::string const& branch_id, std::int64_t position);
    template <class IsAlive>
    void leave(std::string const& gid, IsAlive is_alive)
    {
        if (watchdog_ && was_noted() && is_alive())
            forget(gid);  // it was in time
    }

    // The notes in the store. Where blocking is allowed; so is `read`'s other half, on the strand.
    std::vector<kv_row> in_store();
    void                read(std::vector<kv_row> const& rows);

    // Once a beat: a note is there long before its engine is taken for dead.
    void look();

    // Its attempt has ended.
    void forget_if_known(std::string const& gid)
    {
        if (!known_.empty() && known_.contains(gid))
            forget(gid);
    }

    // Somebody has resumed it: there is no note any more.
    void erase(std::string const& gid) { known_.erase(gid); }

    // Empty: nothing keeps it from being attempted.
    std::string why_quarantined(transaction const& row) const;

    // Ends the watchdog's thread. User code may still be running, and say so when it returns.
    void stop();

private:
    void          note(blockage const& b);
    void          forget(std::string const& gid);
    bool          was_noted() noexcept;
    std::uint32_t blocked_before(std::string const& gid, std::int64_t position) const;

    engine_context&           context_;
    std::string               engine_;
    std::unique_ptr<watchdog> watchdog_;  // null: the store's calls run on the user's own executor
    std::unordered_map<std::string, blockage> known_;  // gid → what the last look has found
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
