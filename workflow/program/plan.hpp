// What a program is told, and what it wants then.
//
// A program decides what one transaction does next. It does no I/O and knows neither engine nor store, neither Asio nor a
// clock: an event brings what there is to know, and the attempt carries out the plan. So every order of events can be
// tried without an engine.
#pragma once

#include <weft/outcome.hpp>
#include <weft/store.hpp>

#include <boost/container/small_vector.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

// The place of a branch in its program. That of a step is used again once it has ended.
using slot = std::uint32_t;

struct event
{
    enum class kind : std::uint8_t
    {
        begun,
        answered,     // the operation of a slot has ended
        overdue,      // it has not returned within its time: nobody knows how it ends, and nobody will hear
        due,          // the next send of a slot may be prepared
        not_sent,     // what the plan wanted to be sent was not, and will not be unless the program says so again
        durable,      // what `record` gave is written
        done_here,    // an operation that the store did itself is written, with its fact
        not_written,  // what `record` gave, or the parking, is not written, and never will be
        changed,      // somebody at this engine has changed the row
        reread,       // the row has been read again, and is the transaction's now
        cancel,       // somebody asked to cancel, and that is durable
        stop          // the engine stops: nothing new
    };

    kind                     what = kind::begun;
    std::int64_t             now = 0;        // milliseconds since 1970, UTC, by the engine's clock
    std::chrono::nanoseconds since_boot{0};  // by a clock that nobody sets
    slot                     of = 0;
    outcome                  said{};             // of answered, overdue and done_here; `text` of not_written: why the store refused it
    bool                     permanent = false;  // of answered: asking again cannot help

    std::optional<std::int64_t> created{};      // of begun, if it was just created: when (milliseconds since 1970)
    transaction*                row = nullptr;  // of reread; the program takes it

    // Of a workflow: what is written, or not. With answered: what the store should have done it with.
    extend_write* write = nullptr;
    bool          met_cancel = false;  // of not_written: there is a request to cancel, and the decision was to commit
};

struct plan
{
    // One operation to be sent now: what it rests on is durable.
    struct sending
    {
        slot of;
        bool here;   // by the store itself, in one write with its fact and with those that are not written yet
        bool again;  // it may have been sent before
    };
    struct wake
    {
        slot                      of;
        std::chrono::milliseconds after;
    };

    // How the attempt ends without an end: the transaction is given back, due again or paused.
    struct parking
    {
        std::chrono::milliseconds due_in{0};
        std::chrono::milliseconds interval{0};  // 0: as it was
        std::uint32_t             sends = 0;    // of what is asked again
        bool                      keep_attempts = false;
        std::string               paused_reason{};  // non-empty: paused
        std::string               last_error{};
        bool                      misfit = false;  // other code may go on where this one cannot
    };

    // An operation ended, and nobody knows how.
    struct unknown
    {
        slot          of;
        std::string   why;
        bool          ongoing;
        bool          counts;  // as trouble, if it goes on so
        std::uint32_t sends;
    };
    struct threw
    {
        std::string   what;
        std::uint32_t times;
    };

    // A branch elsewhere does not answer.
    struct branch_error
    {
        std::string   url, error;
        std::uint32_t before, times;  // so often when this attempt began, and now
    };

    // A line of the log, about this transaction.
    struct note
    {
        enum class level : std::uint8_t
        {
            debug,
            info,
            warn
        };
        level       how;
        std::string text;
    };

    boost::container::small_vector<sending, 1> send;
    boost::container::small_vector<wake, 1>    wake_at;
    bool                                       write = false;   // `record` has something, and nothing is being written
    bool                                       reread = false;  // the row, since somebody else has changed it
    std::optional<parking>                     park;            // after that
    std::optional<unknown>                     no_answer;
    std::optional<threw>                       body_threw;
    std::optional<branch_error>                unanswered;
    boost::container::small_vector<note, 0>    notes;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
