// What a program is told, and what it wants then.
//
// A program decides what one transaction does next. It does no I/O and knows neither engine nor store, neither Asio nor a
// clock: an event brings what there is to know, and the attempt carries out the plan. So every order of events can be
// tried without an engine.
#pragma once

#include <weft/outcome.hpp>

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
        answered,   // the operation of a slot has ended
        overdue,    // it has not returned within its time: nobody knows how it ends, and nobody will hear
        due,        // the next send of a slot may be prepared
        not_sent,   // what the plan wanted to be sent was not, and will not be unless the program says so again
        durable,    // what `record` gave is written
        done_here,  // an operation that the store did itself is written, with its fact
        cancel,     // somebody asked to cancel, and that is durable
        stop        // the engine stops: nothing new
    };

    kind         what = kind::begun;
    std::int64_t now = 0;  // milliseconds since 1970, UTC, by the engine's clock
    slot         of = 0;
    outcome      said{};             // of answered, overdue and done_here
    bool         permanent = false;  // of answered: asking again cannot help
};

struct plan
{
    // One operation to be sent now: what it rests on is durable.
    struct sending
    {
        slot of;
        bool here;  // by the store itself, in one write with its fact and with those that are not written yet
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

    boost::container::small_vector<sending, 1> send;
    std::optional<wake>                        wake_at;
    bool                                       write = false;  // `record` has something, and nothing is being written
    std::optional<parking>                     park;           // after that
    std::optional<unknown>                     no_answer;
    std::optional<threw>                       body_threw;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
