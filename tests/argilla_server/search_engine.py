"""A search engine for a real Argilla server under test: it answers from the server's own database.

Argilla asks Elasticsearch for queues, filters and counts. What Elasticsearch indexes is a copy of what the
database holds, so every write is a no-op here and every read a look at the database. It runs in the server's
process and virtualenv, and knows what the tests and the web page ask; no similarity search.
"""

from collections import Counter
from typing import Any

from argilla_server.database import AsyncSessionLocal
from argilla_server.models import Record
from argilla_server.search_engine.base import (
    AndFilter,
    FloatMetadataMetrics,
    IntegerMetadataMetrics,
    MetadataFilterScope,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SearchEngine,
    SearchResponseItem,
    SearchResponses,
    TermsMetrics,
)
from sqlalchemy import select
from sqlalchemy.orm import selectinload

NAME = "database"


async def _records(dataset_id: Any) -> list[Record]:
    """The records of a dataset with their responses, in the order they came."""
    query = select(Record).filter_by(dataset_id=dataset_id).options(selectinload(Record.responses))
    async with AsyncSessionLocal() as session:
        return list(await session.scalars(query.order_by(Record.inserted_at, Record.id)))


async def _no_op(*_args: Any, **_kwargs: Any) -> None:
    return None


def _response_values(record: Record, scope: ResponseFilterScope) -> list[Any]:
    mine = [each for each in record.responses if scope.user is None or each.user_id == scope.user.id]
    if scope.question is not None:
        return [(each.values or {}).get(scope.question, {}).get("value") for each in mine]
    return [each.status.value for each in mine] or ["pending"]


def _values(record: Record, scope: Any) -> list[Any]:
    """What a record has under a filter's scope."""
    if isinstance(scope, ResponseFilterScope):
        return _response_values(record, scope)
    if isinstance(scope, MetadataFilterScope):
        return [(record.metadata_ or {}).get(scope.metadata_property)]
    if isinstance(scope, RecordFilterScope):
        value = getattr(record, scope.property)
        return [getattr(value, "value", value)]
    raise NotImplementedError(f"no filter by {scope}")


def _fits(record: Record, condition: Any) -> bool:
    if isinstance(condition, AndFilter):
        return all(_fits(record, each) for each in condition.filters)
    values = [value for value in _values(record, condition.scope) if value is not None]
    if isinstance(condition, RangeFilter):
        low, high = condition.ge, condition.le
        return any((low is None or value >= low) and (high is None or value <= high) for value in values)
    asked = {str(getattr(value, "value", value)) for value in condition.values}
    return any(str(value) in asked for value in values)


def _holds(record: Record, query: Any) -> bool:
    """Whether every word of a text query stands in the fields it asks about."""
    words = (query if isinstance(query, str) else query.q).casefold().split()
    field = None if isinstance(query, str) else query.field
    text = str(record.fields if field is None else record.fields.get(field)).casefold()
    return all(word in text for word in words)


@SearchEngine.register(engine_name=NAME)
class DatabaseSearchEngine(SearchEngine):  # type: ignore[misc] # the server is not installed here
    """Argilla's search engine over the server's own database."""

    create_index = delete_index = configure_metadata_property = index_records = _no_op
    partial_record_update = delete_records = update_record_response = delete_record_response = _no_op
    update_record_suggestion = delete_record_suggestion = close = _no_op

    @classmethod
    async def new_instance(cls) -> "DatabaseSearchEngine":
        return cls()

    async def ping(self) -> bool:
        return True

    async def info(self) -> dict[str, str]:
        return {"name": NAME}

    async def get_dataset_progress(self, dataset: Any) -> dict[str, int]:
        statuses = Counter(record.status.value for record in await _records(dataset.id))
        return {"total": statuses.total(), **statuses}

    async def get_dataset_user_progress(self, dataset: Any, user: Any) -> dict[str, int]:
        responses = [each for record in await _records(dataset.id) for each in record.responses]
        statuses = Counter(each.status.value for each in responses if each.user_id == user.id)
        return {"total": statuses.total(), **statuses}

    async def search(
        self,
        dataset: Any,
        query: Any = None,
        filter: Any = None,
        sort: Any = None,
        offset: int = 0,
        limit: int = 100,
        user_id: Any = None,
    ) -> SearchResponses:
        found = [
            record
            for record in await _records(dataset.id)
            if (filter is None or _fits(record, filter)) and (query is None or _holds(record, query))
        ]
        for order in reversed(sort or []):
            known = [record for record in found if _values(record, order.scope)[0] is not None]
            unknown = [record for record in found if _values(record, order.scope)[0] is None]
            known.sort(key=lambda record: _values(record, order.scope)[0], reverse=order.order == "desc")
            found = known + unknown
        items = [SearchResponseItem(record_id=record.id, score=None) for record in found]
        return SearchResponses(items=items[offset : offset + limit], total=len(items))

    async def compute_metrics_for(self, metadata_property: Any) -> Any:
        of_records = [record.metadata_ or {} for record in await _records(metadata_property.dataset_id)]
        values = [of[metadata_property.name] for of in of_records if metadata_property.name in of]
        if metadata_property.type == "terms":
            counts = [TermsMetrics.TermCount(term=term, count=n) for term, n in Counter(values).most_common()]
            return TermsMetrics(total=len(values), values=counts)
        metrics = IntegerMetadataMetrics if metadata_property.type == "integer" else FloatMetadataMetrics
        return metrics(min=min(values, default=None), max=max(values, default=None))

    async def similarity_search(self, *_args: Any, **_kwargs: Any) -> SearchResponses:
        raise NotImplementedError("the tests send no vectors")
