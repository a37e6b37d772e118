"""Everything below /v1/exports."""

from django.urls import path

from exports.api.exports import ExportViewSet

urlpatterns = [
    path("exports", ExportViewSet.as_view({"get": "list", "post": "create"}), name="exports"),
    path("exports/<id:id>", ExportViewSet.as_view({"get": "retrieve", "delete": "destroy"}), name="export"),
    path("exports/<id:id>/file", ExportViewSet.as_view({"get": "file"}), name="export-file"),
]
