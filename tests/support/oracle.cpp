#include "tests/support/oracle.hpp"

#include <weft/errors.hpp>

#include <algorithm>
#include <limits>

namespace {

using weft::status;

constexpr char const* verb_names[] = {"execute", "execute until decided", "submit",   "cancel", "resume", "query", "list",
                                      "prepare", "submit of a pattern",   "register", "abort"};

bool rolls_back(status s) { return s == status::aborting || s == status::failed; }

std::string in_words(weft::transaction const& row)
{
    return std::string(to_string(row.status)) + ", result \"" + row.result + "\", reason \"" + row.reason + '"';
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------------------
// questions

std::size_t oracle::asks(verb v, std::string gid, std::string what)
{
    question q;
    q.what = v;
    q.gid = std::move(gid);
    q.trace = std::move(what);
    q.asked_at = ++time_;
    questions_.push_back(std::move(q));
    return questions_.size() - 1;
}

void oracle::died(std::size_t number) { questions_.at(number).dead = true; }

std::vector<std::size_t> oracle::unanswered() const
{
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < questions_.size(); ++i)
        if (!questions_[i].answered && !questions_[i].dead)
            numbers.push_back(i);
    return numbers;
}

std::string oracle::describe(std::size_t number) const
{
    auto const& q = questions_.at(number);
    return std::string(verb_names[static_cast<std::size_t>(q.what)]) + (q.gid.empty() ? "" : ' ' + q.gid) + " (question " +
           std::to_string(number) + (q.answered ? "), was told: " + q.answer : "), is not answered");
}

void oracle::wrong(std::size_t number, std::string const& why) const { wrong_.push_back(describe(number) + ": " + why); }

std::optional<weft::transaction> oracle::now(std::string const& gid) const { return at_once_ ? at_once_->find(gid, false) : std::nullopt; }

std::optional<std::size_t> oracle::told_before(question const& q, std::string const& gid) const
{
    auto const found = there_.find(gid);
    return found != there_.end() && found->second.at < q.asked_at ? std::optional(found->second.by) : std::nullopt;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// answers

oracle::question& oracle::answered(std::size_t number, std::string answer, std::string const& kind)
{
    auto& q = questions_.at(number);
    if (q.answered)
        wrong(number, "and then also: " + answer);
    q.answered = true;
    q.answer = std::move(answer);
    ++answers_[verb_names[static_cast<std::size_t>(q.what)] + (": " + kind)];
    ++time_;
    return q;
}

// That is what the answer says.
void oracle::exists(std::size_t number)
{
    auto const& q = questions_.at(number);
    there_.emplace(q.gid, first_told{number, time_});
    if (at_once_ && !now(q.gid))
        wrong(number, "and there is no such transaction");
}

void oracle::told(std::size_t number, std::exception_ptr error, std::string const& result)
{
    if (error)
        return told_error(number, error);
    auto&      q = answered(number, result.empty() ? "done" : "the result " + result, "done");
    bool const executed = q.what == verb::execute || q.what == verb::execute_until_decided;
    q.written = known::applied;
    q.result = result;
    exists(number);
    auto const row = now(q.gid);
    if (!executed || !row)
        return;
    bool const decided = q.what == verb::execute_until_decided && row->status == status::submitted;
    if ((!decided && row->status != status::succeed) || row->result != result)
        wrong(number, "and the row says " + in_words(*row));
}

void oracle::told(std::size_t number, std::exception_ptr error, weft::cancel_answer answer)
{
    if (error)
        return told_error(number, error);
    bool const accepted = answer == weft::cancel_answer::accepted;
    auto&      q = answered(number, accepted ? "accepted" : "too late", accepted ? "accepted" : "too late");
    // It may have been this very request, repeated after its answer was lost, that led to the decision.
    q.written = accepted ? known::applied : known::in_doubt;
    exists(number);
    auto const row = now(q.gid);
    if (row && (accepted ? !row->cancel_requested && !rolls_back(row->status) : row->status == status::prepared))
        wrong(number, "and the row says " + in_words(*row));
}

void oracle::told(std::size_t number, std::exception_ptr error, std::optional<weft::transaction> const& row)
{
    if (error)
        return told_error(number, error);
    auto& q = answered(number, row ? in_words(*row) : "no such transaction", row ? "done" : "no such transaction");
    q.written = q.what == verb::query ? known::not_written : known::applied;
    if (!row)
    {
        if (auto const before = told_before(q, q.gid))
            wrong(number, "but before that was asked: " + describe(*before));
        return;
    }
    readings_.push_back({number, *row});
    exists(number);
    auto const is = now(q.gid);
    if (is && ((q.what == verb::submit_pattern && is->status == status::prepared) || (q.what == verb::abort && !rolls_back(is->status))))
        wrong(number, "and the row says " + in_words(*is));
}

void oracle::told(std::size_t number, std::exception_ptr error, std::vector<weft::transaction> const& rows)
{
    if (error)
        return told_error(number, error);
    auto& q = answered(number, std::to_string(rows.size()) + " rows", "done");
    q.written = known::not_written;
    for (auto const& row : rows)
    {
        readings_.push_back({number, row});
        there_.emplace(row.gid, first_told{number, time_});
    }
    if (q.trace == "all")
        for (auto const& [gid, first] : there_)
            if (auto const before = told_before(q, gid);
                before && std::none_of(rows.begin(), rows.end(), [&](auto const& row) { return row.gid == gid; }))
                wrong(number, "without " + gid + "; but before that was asked: " + describe(*before));
}

namespace {

template <class Error>
oracle::known written_of(Error const& e)
{
    return e.written() == weft::known::applied       ? oracle::known::applied
           : e.written() == weft::known::not_written ? oracle::known::not_written
                                                     : oracle::known::in_doubt;
}
std::string in_words(oracle::known k)
{
    return k == oracle::known::applied ? "applied" : k == oracle::known::not_written ? "not_written" : "in_doubt";
}

}  // namespace

void oracle::told_error(std::size_t number, std::exception_ptr const& error)
{
    try
    {
        std::rethrow_exception(error);
    }
    catch (weft::failure const& e)
    {
        auto& q = answered(number, "a failure: " + e.reason(), "failure");
        q.written = known::applied;
        q.failed = true;
        q.result = e.reason();
        exists(number);
        auto const row = now(q.gid);
        bool const decided = row && q.what == verb::execute_until_decided && row->status == status::aborting;
        if (row && ((!decided && row->status != status::failed) || row->reason != e.reason()))
            wrong(number, "and the row says " + in_words(*row));
        if (q.what != verb::execute && q.what != verb::execute_until_decided)
            wrong(number, "which only execute can tell");
    }
    catch (weft::unfinished const& e)
    {
        auto& q = answered(number, e.what(), "unfinished, " + in_words(written_of(e)));
        q.written = written_of(e);
        if (q.written == known::applied)
            exists(number);
        if (e.reason() == weft::unfinished::why::paused && q.written != known::applied)
            wrong(number, "a transaction that is paused is there");
    }
    catch (weft::misuse const& e)
    {
        auto& q = answered(number, std::string("misuse: ") + e.what(), "misuse");
        q.written = e.which() == weft::misuse::code::wrong_status ? known::in_doubt : known::not_written;
        if (e.which() == weft::misuse::code::unknown_gid)
        {
            if (auto const before = told_before(q, q.gid))
                wrong(number, "but before that was asked: " + describe(*before));
        }
        else if (e.which() == weft::misuse::code::other_input)
        {
            exists(number);
            if (auto const row = now(q.gid); row && row->input == q.trace)
                wrong(number, "and the row has this very input");
        }
    }
    catch (weft::store_error const& e)
    {
        auto& q = answered(number, e.what(), "store_error, " + in_words(written_of(e)));
        q.written = written_of(e);
    }
    catch (std::exception const& e)
    {
        answered(number, e.what(), "something else").written = known::in_doubt;
        wrong(number, "which is none of weft's errors");
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// in the end

// What the write that `q` asked for would have left in the row.
bool oracle::left_a_trace(question const& q, weft::transaction const& row) const
{
    switch (q.what)
    {
    case verb::execute:
    case verb::execute_until_decided:
    case verb::submit:
        return !row.workflow.empty() && row.input == q.trace;
    case verb::cancel:
        return row.cancel_requested;
    case verb::prepare:
    case verb::submit_pattern:
        return row.workflow.empty() && row.custom_data == q.trace;
    case verb::register_branch:
        return std::any_of(row.ops.begin(), row.ops.end(), [&](auto const& op) { return op.branch_id == q.trace; });
    case verb::abort:
        return row.reason == q.trace;
    default:
        return false;
    }
}

// One that is not known to have written nothing, and would have left the same.
bool oracle::somebody_else_may_have(question const& q) const
{
    auto const creates = [](verb v) { return v == verb::execute || v == verb::execute_until_decided || v == verb::submit; };
    auto const of_patterns = [](verb v) { return v == verb::prepare || v == verb::submit_pattern; };
    auto const alike = [&](question const& other) {
        return other.what == q.what || (creates(other.what) && creates(q.what)) || (of_patterns(other.what) && of_patterns(q.what));
    };
    return std::any_of(questions_.begin(), questions_.end(), [&](question const& other) {
        return other.gid == q.gid && other.trace == q.trace && alike(other) && other.written != known::not_written;
    });
}

std::vector<std::string> oracle::audit(weft::store& store) const
{
    auto const before = std::exchange(wrong_, {});
    auto const final_row = [&, rows = std::map<std::string, std::optional<weft::transaction>>()](
                               std::string const& gid) mutable -> std::optional<weft::transaction> const& {
        auto const [at, first] = rows.try_emplace(gid);
        if (first && !gid.empty())
            at->second = store.find(gid, true);
        return at->second;
    };
    auto row_of = final_row;
    for (auto const& [gid, first] : there_)
        if (!row_of(gid))
            wrong(first.by, "and in the end there is no such transaction");
    for (std::size_t i = 0; i < questions_.size(); ++i)
    {
        auto const& q = questions_[i];
        auto const& row = row_of(q.gid);
        if (!row || !q.answered)
            continue;
        if (q.written == known::not_written && left_a_trace(q, *row) && !somebody_else_may_have(q))
            wrong(i, "and in the end it was written, and nobody else can have done it");
        if (q.written != known::applied)
            continue;
        bool const executed = q.what == verb::execute || q.what == verb::execute_until_decided;
        if (executed && !q.result.empty() &&
            (row->status != (q.failed ? status::failed : status::succeed) || (q.failed ? row->reason : row->result) != q.result))
            wrong(i, "and in the end the row says " + in_words(*row));
        if (q.what == verb::cancel && row->status != status::failed)
            wrong(i, "and in the end the row says " + in_words(*row));
        if (q.what == verb::abort && row->status != status::failed)
            wrong(i, "and in the end the row says " + in_words(*row));
        if (q.what == verb::register_branch && !left_a_trace(q, *row))
            wrong(i, "and in the end the branch is not there");
    }
    for (auto const& [by, was] : readings_)
        if (auto const& is = row_of(was.gid); !is)
            wrong(by, "and in the end there is no " + was.gid);
        else
        {
            bool const ended = is_final(was.status);
            // A saga that is submitted may still find that it cannot go on.
            bool const rolls = rolls_back(was.status) || (was.status == status::prepared && was.cancel_requested);
            bool const commits = was.status == status::submitted && was.trans_type != "saga";
            if ((ended && (is->status != was.status || is->result != was.result || is->reason != was.reason)) ||
                (rolls && is->status != status::failed) || (commits && is->status != status::succeed))
                wrong(by, was.gid + " was read as " + in_words(was) + ", and in the end the row says " + in_words(*is));
        }
    auto all = before;
    all.insert(all.end(), wrong_.begin(), wrong_.end());
    wrong_ = before;
    return all;
}
