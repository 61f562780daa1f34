// What an attempt sees of its engine.
#pragma once

#include "workflow/patterns/pattern.hpp"
#include "workflow/program/workflow_program.hpp"
#include "workflow/runtime/branch_limits.hpp"
#include "workflow/runtime/local_writes.hpp"

#include <weft/remote.hpp>

#include <functional>
#include <optional>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

class attempt;
class delivery;

enum class ended_as : std::uint8_t
{
    finished,  // the final row is durable
    parked,    // given back to the store; due again, or paused
    fenced,    // somebody else goes on
    vanished   // its row is gone
};

// All on the engine's strand.
class attempt_host
{
public:
    using found = std::function<void(std::exception_ptr, std::optional<transaction>)>;

    virtual engine_context& context() noexcept = 0;
    virtual committer&      commits() noexcept = 0;
    virtual local_writes&   operations_in_store() noexcept = 0;
    virtual branch_limits&  limits() noexcept = 0;

    virtual program_limits const& limits_of_programs() const noexcept = 0;

    // The incarnation that its leases belong to.
    virtual std::string const& owner() const noexcept = 0;

    // False: the last confirmed beat is too old to send or answer anything. What is held is resumed (`go_on`) or abandoned later.
    virtual bool may_act() const = 0;
    virtual void hold(attempt& a) = 0;

    // Its milestones. `reload`: it is forgotten, and another attempt goes on from what the store has.
    virtual void decided(attempt& a) = 0;
    virtual void ended(attempt& a, ended_as how) = 0;
    virtual void reload(attempt& a) = 0;

    // The store refuses even what would give it back. It stays leased to this engine, which tries now and then.
    virtual void cannot_park(attempt& a, park_write parking, std::string const& why) = 0;

    // Its row as the store has it.
    virtual void find(std::string gid, found then) = 0;

    // Deliveries: `began` once sent, `returned` once answered (`orphan`: nobody waited for it any more). An attempt that does not wait any
    // longer orphans it; its transaction is not attempted again here until it has returned, but for undoing it, from `undo_from` on (since
    // boot; max: not at all).
    virtual void delivery_began() noexcept = 0;
    virtual void delivery_returned(std::string const& gid, bool orphan) = 0;
    virtual void orphan(delivery& d, std::chrono::nanoseconds undo_from) noexcept = 0;

    // Whether a participant's database is the store's own: at once if that is known, else `go_on` is called later.
    virtual std::optional<bool> same_database(participant_database& db, attempt& a) = 0;

    // User code begins and ends on the strand, for whoever watches that.
    virtual void enter_code(std::string const& gid, std::string const& branch_id, std::int64_t position) = 0;
    virtual void leave_code(std::string const& gid) = 0;

    // Of transactions of dtm's modes.
    virtual remote_caller&          remote() const noexcept = 0;
    virtual pattern_settings const& pattern_defaults() const noexcept = 0;
    virtual void branch_error(transaction const& t, std::string const& url, std::string const& error, std::uint32_t before,
                              std::uint32_t times) = 0;

protected:
    ~attempt_host() = default;
};

// Around user code on the strand.
class user_code
{
public:
    user_code(attempt_host& host, std::string const& gid, std::string const& branch_id, std::int64_t position) : host_(host), gid_(gid)
    {
        host_.enter_code(gid, branch_id, position);
    }
    ~user_code() { host_.leave_code(gid_); }
    user_code(user_code const&) = delete;

private:
    attempt_host&      host_;
    std::string const& gid_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
