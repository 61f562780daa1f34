// What the barrier answers on every order of arrival, and tests that hold an implementation against it.
#pragma once

#include <weft/branch.hpp>
#include <weft/errors.hpp>

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

// What each operation does and answers, said without rows: the barrier must agree with it on every order of arrival.
class model
{
public:
    explicit model(weft::operation undo) : undo_(undo) { }

    std::string answer(weft::operation op)
    {
        if (op == weft::operation::confirm)
            return answer_once(op, "");
        if (op == undo_)
            return answer_once(op, done_.contains("action") ? "" : "skipped");
        if (!done_.contains("action") && done_.contains(std::string(to_string(undo_))))
            return "failure";
        return answer_once(op, "");
    }
    std::size_t effects() const { return effects_; }

private:
    std::string answer_once(weft::operation op, std::string const& instead)
    {
        std::string const key = op == undo_ || op == weft::operation::confirm ? std::string(to_string(op)) : "action";
        if (auto const known = done_.find(key); known != done_.end())
            return known->second;
        effects_ += instead.empty();
        return done_[key] = instead.empty() ? "result " + std::to_string(effects_) : "";
    }

    weft::operation                    undo_;
    std::map<std::string, std::string> done_;
    std::size_t                        effects_ = 0;
};

// Every sequence of up to `length` of these operations, each a transaction of its own.
template <class Test>
void try_every_order(Test& test, weft::operation undo, std::vector<weft::operation> const& operations, int length)
{
    std::size_t sequences = 1;
    for (int i = 0; i < length; ++i)
        sequences *= operations.size();
    for (std::size_t n = 0; n < sequences; ++n)
    {
        std::string const gid = "order " + std::to_string(n);
        std::string       story = gid + ":";
        model             expected(undo);
        std::size_t       effects = 0;
        auto              rest = n;
        for (int i = 0; i < length; ++i, rest /= operations.size())
        {
            auto const op = operations[rest % operations.size()];
            (story += ' ') += to_string(op);
            std::string answer;
            try
            {
                answer = test(gid, op, effects);
            }
            catch (weft::failure const&)
            {
                answer = "failure";
            }
            ASSERT_EQ(answer, expected.answer(op)) << story;
            ASSERT_EQ(effects, expected.effects()) << story;
        }
    }
}
