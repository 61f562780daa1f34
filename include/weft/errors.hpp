/// \file
/// The exceptions of weft: few types, each answering what a caller asks next.
///
///   failure            the business said no. The only one a workflow body ever sees.
///   unfinished         how it ends is not known yet: the transaction is paused, the engine stopped, or the caller's deadline passed.
///   unreadable_result  it committed, but its result is not what was asked for.
///   misuse             the call itself is wrong, and nothing was written: a bad gid, an unknown workflow, another input.
///   store_error        the store could not be reached or refused.
///   ongoing            thrown by an operation, never by weft: "not done yet, ask again".
///
/// `unfinished` and `store_error` say what is known of the write that was asked for: `weft::known`.
#pragma once

#include <boost/assert/source_location.hpp>

#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace weft {
inline namespace v0 {

/// What is known of a write: of the transaction that a caller wanted to make, or of what was to be done with it.
enum class known : std::uint8_t
{
    applied,      ///< it is durable
    not_written,  ///< this call has written nothing, and nothing of it will ever be written: ask again, under another gid if you like
    in_doubt      ///< nobody can say; it may still be written later. Ask again with the same gid, never with another one
};

std::string_view to_string(known) noexcept;  ///< "applied", "not_written", "in_doubt"

/// What every exception of weft can answer. Payloads and results never stand in `what()`.
class error : public std::runtime_error
{
public:
    /// The transaction concerned; empty where there is none (yet).
    std::string const& gid() const noexcept { return gid_; }

    /// The branch concerned, such as "02"; empty where the whole transaction is meant.
    std::string const& branch_id() const noexcept { return branch_id_; }

    /// Where in the caller's code this was asked for, as far as known.
    std::source_location location() const noexcept { return location_; }

protected:
    explicit error(std::string const& what, std::string gid = {}, std::string branch_id = {}, std::source_location location = {})
        : std::runtime_error(what)
        , gid_(std::move(gid))
        , branch_id_(std::move(branch_id))
        , location_(location)
    { }

private:
    std::string          gid_;
    std::string          branch_id_;
    std::source_location location_;
};

/// The business says no: out of stock, no such account. Thrown by operations and bodies, seen by workflow bodies, and by the caller
/// of `execute` when the workflow rolled back. It is definite: the operation had no effect and will not be sent again.
///
///     throw weft::failure("out of stock", "sold-out", shortage{.sku = o.sku, .left = 2});      // a described struct
///     …
///     catch (weft::failure const& no) { if (no.code() == "sold-out") offer(no.payload<shortage>().left); }
///
/// Code and payload are recorded with the reason: whoever sees the failure, now or after a crash, sees all three.
/// It is final: a class derived from it could not come back from the journal. What tells failures apart is the code.
class failure final : public error
{
public:
    /// Shape: `reason` is text for people, UTF-8; `code` is for programs: any short word, UTF-8.
    explicit failure(std::string reason = {}) : error(reason), reason_(std::move(reason)) { }

    /// Errors: misuse(bad_value) if the code is not UTF-8.
    failure(std::string reason, std::string code);

    /// `payload`: any type that Boost.JSON converts. It is kept as JSON. Needs <weft/workflow.hpp> or <weft/detail/codec.hpp>.
    /// Errors: misuse(bad_value) if code or payload cannot be recorded: not UTF-8, not finite, nested too deeply.
    template <class T>
    failure(std::string reason, std::string code, T const& payload);

    /// As it was recorded, with where it comes from. `details`: as of `details()`. Errors: misuse(bad_value) if those are none.
    static failure recorded(std::string reason, std::string details, std::string gid, std::string branch_id = {})
    {
        return failure(from_record(), std::move(reason), std::move(details), std::move(gid), std::move(branch_id));
    }

    std::string const& reason() const noexcept { return reason_; }

    /// Empty if none was given.
    std::string const& code() const noexcept { return code_; }

    bool has_payload() const noexcept { return !payload_.empty(); }

    /// The payload as JSON text; empty if none was given.
    std::string const& payload_text() const noexcept { return payload_; }

    /// The payload. Members that it lacks have their defaults (docs/upgrading.md).
    /// Errors: misuse(bad_value) if there is none, or it does not convert to `T`.
    template <class T>
    T payload() const;

    /// Code and payload as they are recorded: a JSON object with `code` and `payload`, each if it was given; empty if neither was.
    std::string details() const;

private:
    struct from_record
    { };
    failure(from_record, std::string reason, std::string details, std::string gid, std::string branch_id);

    std::string reason_, code_, payload_;
};

/// Lets `boost::system::result<T, failure>::value()` throw the failure itself.
[[noreturn]] inline void throw_exception_from_error(failure const& says_no, boost::source_location const&) { throw says_no; }

/// Thrown by an operation that is not done yet: it is asked again after the retry policy's first interval, as often as needed.
class ongoing : public error
{
public:
    explicit ongoing(std::string const& what = "ongoing") : error(what) { }
};

/// The caller's wait ended before the transaction did: it is neither committed nor rolled back by this. Whether there is a transaction
/// at all, `written()` says.
class unfinished : public error
{
public:
    enum class why
    {
        paused,           ///< waits for a person: `what()` says for what; `engine::resume` goes on
        stopped,          ///< this engine stopped; another one, or the next start, goes on with what is written
        deadline_passed,  ///< the caller's own deadline; what is written goes on
        lease_lost        ///< this engine lost its lease on life; whoever took over goes on
    };

    unfinished(why reason, std::string const& what, std::string gid, known written = known::applied)
        : error(what, std::move(gid))
        , reason_(reason)
        , written_(written)
    { }

    why reason() const noexcept { return reason_; }

    /// `applied`: the transaction is there, and goes on. `not_written`: it was never made, and never will be.
    known written() const noexcept { return written_; }

private:
    why   reason_;
    known written_;
};

/// The workflow has committed, and what it returned is not what the caller asked for: the transaction stands, and asking again
/// with the same gid and the right type gives its result. Thrown by `handle::execute`.
class unreadable_result : public error
{
public:
    unreadable_result(std::string const& what, std::string gid) : error(what, std::move(gid)) { }
};

/// The call is wrong and had no effect.
class misuse : public error
{
public:
    enum class code
    {
        bad_gid,           ///< empty, longer than 128 bytes, or not UTF-8
        unknown_workflow,  ///< no workflow of this name is registered with this engine
        unknown_gid,       ///< no such transaction
        other_input,       ///< the gid exists with another workflow or another input
        bad_value,         ///< a value does not convert or cannot be recorded: not UTF-8, not finite, too large, nested too deeply
        wrong_thread,      ///< a blocking call from the engine's own thread would wait for itself
        wrong_status,      ///< the transaction's status, or type, does not allow it: the message says which it is
        other_branch,      ///< the barrier's row of this operation was left by a branch of another name or other arguments
        wrong_call         ///< anything else: the message says what
    };

    misuse(code which, std::string const& what, std::string gid = {}, std::string branch_id = {}, std::source_location location = {})
        : error(what, std::move(gid), std::move(branch_id), location)
        , which_(which)
    { }

    code which() const noexcept { return which_; }

private:
    code which_;
};

/// The store failed. `written()` says what that means for what was asked for.
class store_error : public error
{
public:
    using certainty = known;

    /// Why, for those who try again.
    enum class cause : std::uint8_t
    {
        rejected,    ///< it was reached, and would not do this
        passing,     ///< it was reached, and its state was in the way: a lost connection, a lock, a full disk, a restart
        unreachable  ///< it was not reached: says nothing about what it was asked for
    };

    /// Shape: `what` names the database (never a password) and what it said.
    explicit store_error(std::string const& what, known written = known::not_written, cause why = cause::rejected)
        : error(what)
        , written_(written)
        , why_(why)
    { }

    known written() const noexcept { return written_; }

    /// True if the write may have happened, or may still happen, although no answer came.
    bool in_doubt() const noexcept { return written_ == known::in_doubt; }

    cause why() const noexcept { return why_; }

private:
    known written_;
    cause why_;
};

}  // namespace v0
}  // namespace weft
