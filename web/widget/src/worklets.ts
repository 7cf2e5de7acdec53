// The audio worklets of the client, as a file of the widget.
import "@vivavoce/client/worklets";
