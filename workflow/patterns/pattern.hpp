// What a pattern is: a function of the rows. It says which operations may be sent now, or which status follows; how that is done, once,
// fenced and durable, is the same for all (pattern_program, attempt).
//
//            rows                          submitted                          aborting                       prepared, and its time is over
//   saga     compensate, action            actions: one after the other,      compensate what may have       –
//                                          or as far as the orders allow      happened, the other way round
//   tcc      cancel, confirm               confirm, last first                cancel, last first             abort
//   xa       rollback, commit              commit, first first                rollback, first first          abort
//   msg      action                        actions: one after the other,      –                              ask (query_prepared)
//                                          or all at once
//   workflow what its own engine recorded  –                                  –                              call it back, at any time
//
// dtm's behaviour; where it is a bug of dtm's (its answers get lost, or it commits what nobody confirmed), not.
#pragma once

#include <weft/store.hpp>
#include <weft/transport.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

// What clients may set for each transaction, and the manager for all others.
struct pattern_settings
{
    std::chrono::milliseconds                       retry_interval{10'000};
    std::chrono::milliseconds                       request_timeout{3'000};
    std::chrono::milliseconds                       timeout_to_fail{35'000};  // 0: never
    unsigned                                        retry_limit = 0;          // saga; 0: none
    bool                                            concurrent = false;       // saga, msg
    bool                                            wait_result = false;      // who asks for something waits for the first attempt
    std::chrono::milliseconds                       delay{0};                 // msg
    std::map<std::size_t, std::vector<std::size_t>> orders;                   // saga: a step, and those before it
    std::shared_ptr<http_headers const>             headers;                  // with each request to a branch
    std::vector<std::string>                        left_out;                 // names of headers that must not be sent
};

// Of this transaction: `defaults`, and what stands in its options and custom_data. Throws misuse naming what is wrong with them.
// Headers that must not be sent are left out and named: a row may have been written when nobody asked for that.
pattern_settings settings_of(transaction const& t, pattern_settings const& defaults);

// Of a transaction that is submitted. Throws misuse naming the header that must not be sent, or the limit.
void check_headers(std::string const& options, std::string const& gid);

struct next_step
{
    std::vector<std::size_t>                             send;         // operations that may be under way now, by their place in `ops`
    std::optional<status>                                to;           // the status that follows
    std::string                                          reason;       // why it is undone
    bool                                                 ask = false;  // at query_prepared
    std::optional<std::chrono::system_clock::time_point> not_before;   // nothing is to be done before that
};

// `now`: by the store's clock. `failure`: why an operation failed just now, if one did.
using pattern = next_step (*)(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now,
                              std::string const& failure);

// As many as branch ids of two digits tell apart.
inline constexpr std::size_t most_steps = 99;

// A step that could never begin, since the orders go in a circle. `steps`: how many there are; 0: not said.
std::optional<std::size_t> in_a_circle(pattern_settings const& s, std::size_t steps);

// For a trans_type; null: there is no such pattern.
pattern pattern_of(std::string const& trans_type) noexcept;

// A failure of which operation is an answer; of all others it is an error, and asked again: phase 2 has to happen.
bool may_fail(transaction const& t, branch_op const& op) noexcept;

// The rows that a saga or a message is made of: "action" and "compensate" by step, a payload for each.
struct pattern_step
{
    std::string action, compensate, payload;

    std::vector<std::string> subscribers{};  // msg: in place of the action
};
std::vector<branch_op> saga_ops(std::vector<pattern_step> const& steps);
std::vector<branch_op> msg_ops(std::vector<pattern_step> const& steps);

// "01", "02", …
std::string branch_id_of(std::size_t step);

// As a column of dtm's has room for: UTF-8, at most 1,024 bytes.
std::string short_reason(std::string text);

// Whether it has been there for longer than it may be; and when that will be.
bool timed_out(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now) noexcept;
std::optional<std::chrono::system_clock::time_point> times_out_at(transaction const& t, pattern_settings const& s) noexcept;
std::string                                          timeout_reason(pattern_settings const& s);

next_step next_of_saga(transaction const&, pattern_settings const&, std::chrono::system_clock::time_point, std::string const&);
next_step next_of_tcc(transaction const&, pattern_settings const&, std::chrono::system_clock::time_point, std::string const&);
next_step next_of_xa(transaction const&, pattern_settings const&, std::chrono::system_clock::time_point, std::string const&);
next_step next_of_msg(transaction const&, pattern_settings const&, std::chrono::system_clock::time_point, std::string const&);
next_step next_of_workflow(transaction const&, pattern_settings const&, std::chrono::system_clock::time_point, std::string const&);

}  // namespace detail
}  // namespace v0
}  // namespace weft
