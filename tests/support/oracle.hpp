// What callers were told, held against what the store says (I8). Callers say what they ask for and what they hear; at once, and again
// when everything has ended, the store is asked whether that was true. Nothing here knows how an engine works.
//
//   told                                  when it is told                      in the end
//   execute: a result                     the row is final: succeed, with it   the same
//   execute: failure                      the row is final: failed, with it    the same
//   … until decided                       the same of the decision             it ended as decided
//   submit and the like: done             the transaction is there             the same
//   cancel: accepted                      it is asked to, or rolls back        failed
//   cancel: too_late                      it is decided                        –
//   unfinished: applied                   the transaction is there             the same
//   unfinished, store_error: not_written  –                                    no trace of what was asked for, unless somebody else may
//                                                                              have brought it: the row with this input, the request to
//                                                                              cancel, the branch, the reason
//   unfinished, store_error: in_doubt     either                               either
//   misuse                                –                                    no trace of it, as above
//   misuse: unknown_gid                   nobody had been told before that it is there
//   misuse: other_input                   it is there, with another input
//   query, list: a row                    –                                    what had ended is as it was read, and what was decided ended so
//   query: no row; list: without a row    nobody had been told before that it is there
//   nothing                               only whoever asked a process that died
//
// Of too_late and misuse: wrong_status nothing more can be asked: a write whose answer was lost is repeated, and may find the status that
// it has led to itself, or that somebody has led it to since.
#pragma once

#include <weft/engine.hpp>
#include <weft/store.hpp>

#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <vector>

class oracle
{
public:
    enum class verb
    {
        execute,
        execute_until_decided,
        submit,
        cancel,
        resume,
        query,
        list,
        // of a transaction manager
        prepare,
        submit_pattern,
        register_branch,
        abort
    };

    // Of a write.
    enum class known
    {
        nothing_yet,  // not answered, or never will be
        applied,
        not_written,
        in_doubt
    };

    // Without a store nothing is looked up when an answer is told: where the store may have gone on since.
    explicit oracle(weft::store* at_once = nullptr) : at_once_(at_once) { }

    // A question, and its number. `what` is what its write would leave behind: execute, submit: the input; prepare, submit_pattern: the
    // custom data; register_branch: the branch's id; abort: the reason. Of a list: "all" if it leaves out nothing.
    std::size_t asks(verb v, std::string gid, std::string what = {});

    // Its answer: an error, or what came in place of it.
    void told(std::size_t question, std::exception_ptr error, std::string const& result = {});
    void told(std::size_t question, std::exception_ptr error, weft::cancel_answer answer);
    void told(std::size_t question, std::exception_ptr error, std::optional<weft::transaction> const& row);
    void told(std::size_t question, std::exception_ptr error, std::vector<weft::transaction> const& rows);

    // No answer will come: whoever was asked is dead.
    void died(std::size_t question);

    // Questions that nobody has answered.
    std::vector<std::size_t> unanswered() const;
    std::string              describe(std::size_t question) const;

    // Whether somebody has been told that the transaction is there.
    bool is_there(std::string const& gid) const { return there_.contains(gid); }

    // Everything that is wrong, once every transaction has ended; empty if nothing is.
    std::vector<std::string> audit(weft::store& store) const;

    // How often what was told: "execute: failure", "cancel: not_written", …
    std::map<std::string, std::uint64_t> const& answers() const noexcept { return answers_; }

private:
    struct question
    {
        verb          what;
        std::string   gid, trace;
        std::uint64_t asked_at = 0;
        known         written = known::nothing_yet;
        bool          answered = false, dead = false;
        std::string   answer;  // in words
        std::string   result;  // execute: that, or why it failed
        bool          failed = false;
    };
    struct first_told
    {
        std::size_t   by;
        std::uint64_t at;
    };
    struct reading  // of a row, by somebody
    {
        std::size_t       by;
        weft::transaction row;
    };

    question&                        answered(std::size_t number, std::string answer, std::string const& kind);
    void                             told_error(std::size_t number, std::exception_ptr const& error);
    void                             exists(std::size_t number);
    void                             wrong(std::size_t number, std::string const& why) const;
    std::optional<weft::transaction> now(std::string const& gid) const;
    bool                             somebody_else_may_have(question const& q) const;
    bool                             left_a_trace(question const& q, weft::transaction const& row) const;

    // Who had been told that the transaction is there before this was asked.
    std::optional<std::size_t> told_before(question const& q, std::string const& gid) const;

    weft::store*                         at_once_;
    std::uint64_t                        time_ = 0;  // questions and answers so far
    std::vector<question>                questions_;
    std::map<std::string, first_told>    there_;  // gid → who was told first that it is there
    std::vector<reading>                 readings_;
    std::map<std::string, std::uint64_t> answers_;
    mutable std::vector<std::string>     wrong_;
};
