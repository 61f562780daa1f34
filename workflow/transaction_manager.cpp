// The manager's façade: from any thread onto the engine's strand.
#include "workflow/engine/engine_impl.hpp"

#include <boost/asio/dispatch.hpp>

namespace weft {
inline namespace v0 {

namespace {

template <class F>
void on_strand_of(std::shared_ptr<detail::engine_impl> const& core, F f)
{
    boost::asio::dispatch(core->strand(), [core, f = std::move(f)]() mutable { f(*core); });
}

}  // namespace

transaction_manager::transaction_manager(weft::engine& engine, manager_options options) : engine_(engine)
{
    engine.core_->add_manager(options);
}

void transaction_manager::start_prepare(global_transaction t, done<transaction> answer)
{
    on_strand_of(engine_.core_, [t = std::move(t), answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.patterns().prepare(std::move(t), false, std::move(answer));
    });
}

void transaction_manager::start_prepare_workflow(global_transaction t, done<transaction> answer)
{
    on_strand_of(engine_.core_, [t = std::move(t), answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.patterns().prepare(std::move(t), true, std::move(answer));
    });
}

void transaction_manager::start_query(std::string gid, done<std::optional<transaction>> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.asked().query(std::move(gid), std::move(answer));
    });
}

void transaction_manager::start_submit(global_transaction t, returns when, done<transaction> answer)
{
    on_strand_of(engine_.core_, [t = std::move(t), when, answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.patterns().submit(std::move(t), when == returns::when_tried, std::move(answer));
    });
}

void transaction_manager::start_abort(std::string gid, std::string trans_type, std::string reason, returns when, done<transaction> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), trans_type = std::move(trans_type), reason = std::move(reason), when,
                                 answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.patterns().abort(std::move(gid), std::move(trans_type), std::move(reason), when == returns::when_tried, std::move(answer));
    });
}

void transaction_manager::start_force_stop(std::string gid, done<transaction> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.patterns().force_stop(std::move(gid), std::move(answer));
    });
}

void transaction_manager::start_finish(std::string gid, status how, std::string reason, std::string result, done<transaction> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), how, reason = std::move(reason), result = std::move(result),
                                 answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.patterns().finish_elsewhere(std::move(gid), how, std::move(reason), std::move(result), std::move(answer));
    });
}

void transaction_manager::start_register(std::string gid, std::string trans_type, std::vector<branch_op> ops, done<std::monostate> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), trans_type = std::move(trans_type), ops = std::move(ops),
                                 answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.patterns().register_ops(std::move(gid), std::move(trans_type), std::move(ops), std::move(answer));
    });
}

void transaction_manager::start_make_due(std::string gid, done<std::monostate> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.patterns().make_due(std::move(gid), std::move(answer));
    });
}

void transaction_manager::start_make_all_due(std::chrono::milliseconds later_than, std::size_t limit, done<made_due> answer)
{
    on_strand_of(engine_.core_, [later_than, limit, answer = std::move(answer)](detail::engine_impl& core) mutable {
        auto const made = std::make_shared<made_due>();
        core.on_store(
            detail::lane::questions, [&core, later_than, limit, made] { *made = core.store().make_due(later_than, limit); },
            [&core, made, answer = std::move(answer)](std::exception_ptr error) mutable {
                answer->complete(error, *made);
                core.claim();
            });
    });
}

void transaction_manager::start_on_store(std::function<void(weft::store&)> f, done<std::monostate> answer)
{
    on_strand_of(engine_.core_, [f = std::move(f), answer = std::move(answer)](detail::engine_impl& core) mutable {
        core.on_store(
            detail::lane::questions, [&core, f = std::move(f)] { f(core.store()); },
            [answer = std::move(answer)](std::exception_ptr error) mutable { answer->complete(error, {}); });
    });
}

}  // namespace v0
}  // namespace weft
