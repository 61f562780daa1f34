// Sends operations as an attempt does, without an engine.
#pragma once

#include <weft/operation.hpp>

#include <boost/asio/io_context.hpp>

#include <future>
#include <memory>
#include <string>

struct answer_given
{
    weft::outcome outcome;
    bool          permanent = false;
};

class sent_operation final : public weft::detail::performance
{
public:
    explicit sent_operation(weft::branch b) { where = std::move(b); }

    std::future<answer_given> future() { return given_.get_future(); }

    boost::asio::any_io_executor executor() const override { return io_.get_executor(); }
    void answer(weft::outcome o, bool permanent) noexcept override { given_.set_value({std::move(o), permanent}); }  // twice: terminates

private:
    mutable boost::asio::io_context io_{1};
    std::promise<answer_given>      given_;
};

inline weft::branch branch_of(std::string gid, weft::operation op = weft::operation::action, std::string id = "01")
{
    weft::branch b;
    b.gid = std::move(gid);
    b.id = std::move(id);
    b.name = "charge";
    b.op = op;
    return b;
}

/// Lifetimes: as with a branch, the arguments must live until the answer is there.
template <class Operation, class... Args>
std::future<answer_given> send(Operation const& operation, weft::branch where, Args const&... args)
{
    boost::intrusive_ptr<sent_operation> sent(new sent_operation(std::move(where)));
    auto                                 answer = sent->future();
    operation.start(weft::operation_call(sent), args...);
    return answer;
}
